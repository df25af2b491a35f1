# What docs/sandbox.md shows.

provider "aws" {
  region            = "us-east-1"
  s3_use_path_style = true
}
