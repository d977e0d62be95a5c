# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# Private to this collection: no compatibility is promised to users of the fragment.
"""The options of an image whose content the module creates. Written by make doc-fragments from _image.py."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  image:
    description:
      - The image to keep in Glance, with options of M(xenstack.image_services.glance_image).
      - New content is uploaded as a new, hidden image, verified against what Glance says of it, and only then gets the name.
    type: dict
    suboptions:
      name:
        description:
          - Name of the image. Among the images of one project it must be the only one of this name.
          - Where no image has this name and it is a UUID, it is taken as an id.
        required: true
        type: str
      stores:
        description:
          - Ids of the stores that hold the image. Without it, new content is uploaded to the stores of the old content, or to the service's default store.
          - V(all) alone stands for every store of the service that takes data, unless a store is called so. The next run fills those that are added.
          - New content is uploaded straight into them. One store is uploaded to directly, several need the import method V(glance-direct).
          - An image in other stores is copied by Glance's import method V(copy-image), which only administrators may use by its default policy.
        type: list
        elements: str
      stores_mode:
        description:
          - V(at_least) copies the image into those of O(image.stores) that lack it, and leaves it in others.
          - V(exact) then removes it from all others. A copy is removed only after Glance has shown the image active in every one of O(image.stores), and never
            the last one.
          - Only active images can be copied and taken out of a store. A deactivated image is refused where it is to stay so and has to move.
        type: str
        choices: [at_least, exact]
        default: at_least
      on_replace:
        description:
          - What becomes of an image whose content has been replaced. It is renamed to its name and creation time, whatever the choice.
          - V(hide) takes it out of default listings, V(deactivate) forbids its download, V(delete) deletes it, V(keep) leaves it otherwise alone.
        type: str
        choices: [hide, deactivate, delete, keep]
        default: hide
      use_import:
        description:
          - Send the data by the import method V(glance-direct) even for a single store, so that the service's import plugins see it.
        type: bool
      visibility:
        description:
          - Who may see the image. Without it, Glance makes new images V(shared), which is private until there are members.
        type: str
        choices: [public, private, shared, community]
      members:
        description:
          - Names or ids of all projects that the image is shared with, exactly. Needs the visibility V(shared).
        type: list
        elements: str
      hidden:
        description:
          - Whether the image is left out of default listings.
        type: bool
        aliases: [is_hidden]
      is_protected:
        description:
          - Whether the image is protected from being deleted.
        type: bool
        aliases: [protected]
      min_disk:
        description:
          - Disk that the image needs to boot, in GiB.
        type: int
      min_ram:
        description:
          - Memory that the image needs to boot, in MiB.
        type: int
      owner:
        description:
          - Name or id of the project that owns the image. Only images of this project are chosen by name.
        type: str
        aliases: [project]
      owner_domain:
        description:
          - Name or id of the domain of the projects in O(image.owner) and O(image.members), where their names alone are not unique.
        type: str
        aliases: [project_domain]
      tags:
        description:
          - All tags of the image, exactly. An empty list removes them.
        type: list
        elements: str
      properties:
        description:
          - Properties of the image. They are compared by value, whatever their YAML type, and stored as text.
          - V(null) removes a property. Properties of Glance itself (C(os_glance_*)) are never touched.
        type: dict
      properties_mode:
        description:
          - V(merge) leaves properties alone that are not listed, V(exact) removes them. Without O(image.properties) none is removed.
        type: str
        choices: [merge, exact]
        default: merge
      nova_installation_uuid:
        description:
          - UUID of the installation of Nova that O(image.instance_id) lives in, as M(xenstack.image_services.nova_installation_uuid) returns it.
          - Together with O(image.instance_id) it relates the image to an instance. Both empty take the relation away. Without them it is left alone, and new
            content keeps it.
          - Needs the filter of the role P(xenstack.image_services.glance_instance_aware#role) in Glance. Without that, the task fails before it changes
            anything.
        type: str
      instance_id:
        description:
          - Id of the instance that the image belongs to, a UUID or one of the integers that Nova used as ids.
          - Only the project that owns the image, administrators and services may change it.
        type: str
"""
