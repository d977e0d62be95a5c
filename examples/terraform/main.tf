# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
terraform {
  # terraform_data is part of Terraform since 1.4, check since 1.5: no provider is fetched, and init works without a network.
  required_version = ">= 1.5"
}

locals {
  images_playbook = "${path.module}/playbooks/images.yml"
  stores_playbook = "${path.module}/playbooks/stores.yml"
  images_result   = "${path.module}/results/images.json"

  # What the collection is told of each image, apart from whose it is.
  declared = { for name, options in var.images : name => merge({ for option, value in options : option => value if option != "adopt" }, { name = name }) }
  adopted  = [for name, options in var.images : name if try(options.adopt, false)]

  # What look.py is asked. Nothing in it is known only after apply, or else Terraform would put the look off until then.
  query = {
    ansible_playbook = var.ansible_playbook
    playbook         = "${path.module}/playbooks/look.yml"
    variables        = jsonencode({ images_cloud = var.cloud, images_adopt = local.adopted, images = values(local.declared) })
  }

  # Unknown to the plan, and true once it is applied: this is how a difference in the cloud becomes a change, and leaves nothing behind in the state.
  as_declared = { for name in keys(var.images) : name => contains(keys(local.differences), name) ? timestamp() != "" : true }

  # The property terraform_resource of an image: whose it is.
  image_resources = { for name, resource in terraform_data.image : name => resource.id }

  # A shell takes everything from the environment, so that no value is ever read as a command.
  keep_images = "\"$ANSIBLE_PLAYBOOK\" -i localhost, \"$PLAYBOOK\" --extra-vars \"$VARIABLES\""
  keep_stores = "\"$ANSIBLE_PLAYBOOK\" -i \"$INVENTORY\" \"$PLAYBOOK\" --extra-vars \"$VARIABLES\""
}
