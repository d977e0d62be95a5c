# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Without a provider, Terraform cannot look at the cloud: it is told what look.py has seen. external/drift.tf in the place of this file looks at each plan.
variable "seen" {
  description = "What look.py has written. Without it, a plan compares the declaration with Terraform's state alone."
  type        = map(string)
  default     = null
}

locals {
  differences = var.seen == null ? {} : jsondecode(var.seen.differences)
  refusals    = var.seen == null ? [] : jsondecode(var.seen.refusals)
}

check "looked" {
  assert {
    condition     = var.seen != null || length(var.images) == 0
    error_message = "This plan compares the declaration with Terraform's state alone: it has not looked at the cloud. For plans that do, see «Drift» in README.md."
  }
}
