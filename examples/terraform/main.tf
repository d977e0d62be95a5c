# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
terraform {
  # terraform_data is part of Terraform since 1.4: no provider is fetched, and init works without a network.
  required_version = ">= 1.4"
}

locals {
  images_playbook = "${path.module}/playbooks/images.yml"
  stores_playbook = "${path.module}/playbooks/stores.yml"
  images_result   = "${path.module}/results/images.json"

  # The property terraform_resource of an image: whose it is.
  image_resources = { for name, resource in terraform_data.image : name => resource.id }

  # A shell takes everything from the environment, so that no value is ever read as a command.
  keep_images = "\"$ANSIBLE_PLAYBOOK\" -i localhost, \"$PLAYBOOK\" --extra-vars \"$VARIABLES\""
  keep_stores = "\"$ANSIBLE_PLAYBOOK\" -i \"$INVENTORY\" \"$PLAYBOOK\" --extra-vars \"$VARIABLES\""
}
