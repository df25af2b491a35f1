terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "changed" {
  description = "Whether everything that Terraform can change in place is another"
  type        = bool
}

locals {
  team = var.changed ? { team = "billing", stage = "b=2" } : { team = "orders" }
}
