# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# In the place of ../drift.tf: each plan looks at the cloud, in one run for all images, by the provider hashicorp/external.
terraform {
  required_providers {
    external = {
      source  = "hashicorp/external"
      version = ">= 2.2"
    }
  }
}

data "external" "cloud" {
  program = ["python3", "${path.module}/look.py"]
  query   = local.query
}

locals {
  differences = jsondecode(data.external.cloud.result.differences)
  refusals    = jsondecode(data.external.cloud.result.refusals)
}
