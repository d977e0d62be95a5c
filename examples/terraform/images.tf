# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# The life of each image: what is taken out of var.images is deleted in the cloud, where the image carries the id of its resource. Nothing happens here when
# it is created.
resource "terraform_data" "image" {
  for_each = var.images

  # Another cloud has other images.
  triggers_replace = var.cloud

  # A destroy provisioner knows nothing but self, so all that it needs is in here.
  input = {
    name             = each.key
    cloud            = var.cloud
    ansible_playbook = var.ansible_playbook
    playbook         = local.images_playbook
    command          = local.keep_images
  }

  provisioner "local-exec" {
    when        = destroy
    command     = self.input.command
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

# The declared state of all images. A change replaces this resource, which runs the playbook again and deletes nothing: the collection
# changes what differs, and replaces changed content without a moment in which there is no image.
resource "terraform_data" "images" {
  triggers_replace = [var.cloud, var.images, local.image_resources]

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
        images_adopt  = [for name, options in var.images : name if try(options.adopt, false)]
        images = [for name, options in var.images : merge(
          { for option, value in options : option => value if option != "adopt" },
          { name = name, properties = merge(try(options.properties, {}), { terraform_resource = local.image_resources[name] }) },
        )]
      })
    }
  }

  depends_on = [terraform_data.image, terraform_data.stores_state]
}
