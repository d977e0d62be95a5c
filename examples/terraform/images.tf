# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# The life of each image, and what is declared of it, so that a plan names the image and the options that change. Nothing runs when it is created or
# changed. What is taken out of var.images is deleted in the cloud, where the image carries the id of its resource.
resource "terraform_data" "image" {
  for_each = var.images

  # Another cloud has other images.
  triggers_replace = var.cloud

  # A destroy provisioner knows nothing but self, so all that it needs is in here.
  input = {
    options          = each.value
    as_declared      = local.as_declared[each.key]
    cloud            = var.cloud
    ansible_playbook = var.ansible_playbook
    playbook         = local.images_playbook
  }

  provisioner "local-exec" {
    when = destroy
    # As in local.keep_images, which is out of reach here.
    command     = "\"$ANSIBLE_PLAYBOOK\" -i localhost, \"$PLAYBOOK\" --extra-vars \"$VARIABLES\""
    interpreter = ["/bin/sh", "-c"]
    environment = {
      PYTHONUNBUFFERED = "1"
      ANSIBLE_PLAYBOOK = self.input.ansible_playbook
      PLAYBOOK         = self.input.playbook
      VARIABLES = jsonencode({
        images_cloud    = self.input.cloud
        images_resource = self.id
      })
    }
  }

  # Images are destroyed before the stores that hold them.
  depends_on = [terraform_data.stores]
}

# The run that brings all images into their declared state. A change of any of them replaces this resource, which runs the playbook again and deletes
# nothing: the collection changes what differs, and replaces changed content without a moment in which there is no image.
resource "terraform_data" "images" {
  # A digest, because each image shows what changes of it, and because an interrupted apply has to be noticed by the next one.
  triggers_replace = sha256(jsonencode([var.cloud, var.images, local.image_resources, local.as_declared]))

  input = {
    result = local.images_result
  }

  provisioner "local-exec" {
    command     = local.keep_images
    interpreter = ["/bin/sh", "-c"]
    environment = {
      PYTHONUNBUFFERED = "1"
      ANSIBLE_PLAYBOOK = var.ansible_playbook
      PLAYBOOK         = local.images_playbook
      VARIABLES = jsonencode({
        images_cloud  = var.cloud
        images_result = local.images_result
        images_adopt  = local.adopted
        images = [for name, options in local.declared : merge(
          options, { properties = merge(try(options.properties, {}), { terraform_resource = local.image_resources[name] }) },
        )]
      })
    }
  }

  lifecycle {
    precondition {
      condition     = length(local.refusals) == 0
      error_message = join("\n", local.refusals)
    }
  }

  depends_on = [terraform_data.image, terraform_data.stores_state]
}

check "cloud" {
  assert {
    condition     = length(local.differences) == 0
    error_message = join("\n", concat(["When this plan was made, the cloud was not as declared:"], [for name, difference in local.differences : "${name}: ${difference}"]))
  }
}
