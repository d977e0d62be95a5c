# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
variable "cloud" {
  description = "Name of the cloud in clouds.yaml. Credentials stay there: nothing secret is in Terraform's state."
  type        = string
}

variable "images" {
  description = "Images by name. Each one takes the options of xenstack.image_services.glance_image, and adopt."
  type        = any
  default     = {}

  validation {
    condition     = can(keys(var.images))
    error_message = "The images must be an object: names, and for each the options of glance_image."
  }

  validation {
    condition = alltrue([
      for options in values(var.images) : !can(regex("://[^/@]*:[^/@]*@", options.uri)) && alltrue([
        for value in concat([try(options.url_password, "{{")], values(try(options.headers, {}))) : can(regex("{{", value))
      ])
    ])
    error_message = "A password or header of an image must be a template, such as \"{{ lookup('env', 'MIRROR_PASSWORD') }}\", so that it is not in Terraform's state."
  }
}

variable "stores" {
  description = "Stores that Terraform adds to permanent_stores and takes away again, as the role glance_stores takes them."
  type        = any
  default     = []
}

variable "permanent_stores" {
  description = "Stores that are there before and after, the default one among them. Without any, stores are not managed."
  type        = any
  default     = []
}

variable "inventory" {
  description = "Inventory whose hosts in stores_hosts run Glance, with all other variables of the role glance_stores."
  type        = string
  default     = ""
}

variable "stores_hosts" {
  description = "Hosts or group in the inventory that run Glance."
  type        = string
  default     = "glance"
}

variable "ansible_playbook" {
  description = "The program ansible-playbook, of an environment with this collection and openstacksdk."
  type        = string
  default     = "ansible-playbook"
}
