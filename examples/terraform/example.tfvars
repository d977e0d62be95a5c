# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
cloud = "production"

images = {
  debian-13 = {
    uri        = "https://mirror.example.com/debian/debian-13.qcow2"
    checksum   = "sha512:https://mirror.example.com/debian/SHA512SUMS"
    visibility = "public"
    properties = { os_distro = "debian" }
  }
  # An image that is in the cloud already is only managed, and later deleted, where this says so.
  golden = {
    adopt        = true
    is_protected = true
  }
  appliance = {
    src        = "/srv/images/appliance.raw.xz"
    decompress = true
    stores     = ["archive"]
  }
}

inventory = "/etc/ansible/hosts.yml"

permanent_stores = [
  {
    name                     = "fast"
    type                     = "file"
    default                  = true
    filesystem_store_datadir = "/var/lib/glance/images"
  },
]

stores = [
  {
    name                     = "archive"
    type                     = "file"
    filesystem_store_datadir = "/srv/images/archive"
  },
]
