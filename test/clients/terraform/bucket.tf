resource "aws_s3_bucket" "orders" {
  bucket        = "terraform-orders"
  tags          = local.team
  force_destroy = true
}

resource "aws_s3_bucket_versioning" "orders" {
  bucket = aws_s3_bucket.orders.id
  versioning_configuration {
    status = var.changed ? "Suspended" : "Enabled"
  }
}

resource "aws_s3_bucket_public_access_block" "orders" {
  bucket                  = aws_s3_bucket.orders.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = !var.changed
  restrict_public_buckets = !var.changed
}

resource "aws_s3_bucket_ownership_controls" "orders" {
  bucket = aws_s3_bucket.orders.id
  rule {
    object_ownership = var.changed ? "BucketOwnerPreferred" : "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_policy" "orders" {
  bucket = aws_s3_bucket.orders.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = {
      Sid       = "Readers"
      Effect    = "Allow"
      Principal = { AWS = aws_iam_role.reader.arn }
      Action    = var.changed ? ["s3:GetObject", "s3:GetObjectTagging"] : ["s3:GetObject"]
      Resource  = "${aws_s3_bucket.orders.arn}/*"
    }
  })
}

resource "aws_s3_object" "order" {
  bucket     = aws_s3_bucket.orders.id
  key        = "orders/1.txt"
  content    = var.changed ? "four boxes of tea" : "three boxes of tea"
  tags       = local.team
  depends_on = [aws_s3_bucket_versioning.orders]
}

# A bucket that has nothing but its name.
resource "aws_s3_bucket" "plain" {
  bucket_prefix = "terraform-plain-"
}

data "aws_s3_bucket" "orders" {
  bucket = aws_s3_bucket.orders.bucket
}

data "aws_s3_object" "order" {
  bucket = aws_s3_object.order.bucket
  key    = aws_s3_object.order.key
}
