# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# The file is read when the images are as declared: until then the output of terraform_data.images is not known.
output "image_ids" {
  description = "Ids of the images by name, for instances of any provider."
  value       = fileexists(terraform_data.images.output.result) ? jsondecode(file(terraform_data.images.output.result)).ids : {}

  precondition {
    condition     = fileexists(terraform_data.images.output.result)
    error_message = "The file with the images' ids is not here. Have it written again: terraform apply -replace=terraform_data.images."
  }
}

output "images" {
  description = "Id, status, size, digest and stores of the images by name."
  value       = fileexists(terraform_data.images.output.result) ? jsondecode(file(terraform_data.images.output.result)).images : {}
}
