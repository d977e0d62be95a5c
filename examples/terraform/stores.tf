# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# The life of the stores: in the end, the permanent ones alone are left. The role refuses to take away the only copy of an image.
resource "terraform_data" "stores" {
  count = length(var.permanent_stores) == 0 ? 0 : 1

  input = {
    ansible_playbook = var.ansible_playbook
    playbook         = local.stores_playbook
    command          = local.keep_stores
    inventory        = var.inventory
    hosts            = var.stores_hosts
    stores           = var.permanent_stores
  }

  provisioner "local-exec" {
    when        = destroy
    command     = self.input.command
    interpreter = ["/bin/sh", "-c"]
    environment = {
      PYTHONUNBUFFERED = "1"
      ANSIBLE_PLAYBOOK = self.input.ansible_playbook
      PLAYBOOK         = self.input.playbook
      INVENTORY        = self.input.inventory
      VARIABLES        = jsonencode({ stores_hosts = self.input.hosts, glance_stores = self.input.stores })
    }
  }

  lifecycle {
    precondition {
      condition     = var.inventory != ""
      error_message = "The inventory is missing: stores are configured on the hosts that run Glance."
    }
  }
}

# The declared stores. A change runs the role again, which adds, changes and takes away what differs.
resource "terraform_data" "stores_state" {
  count = length(var.permanent_stores) == 0 ? 0 : 1

  triggers_replace = [var.permanent_stores, var.stores, var.inventory, var.stores_hosts]

  provisioner "local-exec" {
    command     = local.keep_stores
    interpreter = ["/bin/sh", "-c"]
    environment = {
      PYTHONUNBUFFERED = "1"
      ANSIBLE_PLAYBOOK = var.ansible_playbook
      PLAYBOOK         = local.stores_playbook
      INVENTORY        = var.inventory
      VARIABLES        = jsonencode({ stores_hosts = var.stores_hosts, glance_stores = concat(var.permanent_stores, var.stores) })
    }
  }

  # An image that is removed together with its store is removed first.
  depends_on = [terraform_data.stores, terraform_data.image]
}
