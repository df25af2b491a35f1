data "aws_caller_identity" "me" {}
data "aws_partition" "this" {}

data "aws_iam_policy_document" "pods" {
  statement {
    actions = ["sts:AssumeRole", "sts:TagSession"]
    principals {
      type        = "Service"
      identifiers = ["pods.eks.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "irsa" {
  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]
    principals {
      type        = "Federated"
      identifiers = [aws_iam_openid_connect_provider.issuer.arn]
    }
    condition {
      test     = "StringEquals"
      variable = "${aws_iam_openid_connect_provider.issuer.url}:sub"
      values   = ["system:serviceaccount:shop:${var.changed ? "billing" : "orders"}"]
    }
  }
}

resource "aws_iam_role" "reader" {
  name                 = "terraform-reader"
  path                 = "/shop/"
  description          = var.changed ? "reads bills" : "reads orders"
  max_session_duration = var.changed ? 7200 : 3600
  permissions_boundary = var.changed ? aws_iam_policy.read.arn : null
  assume_role_policy   = data.aws_iam_policy_document.pods.json
  tags                 = local.team
}

resource "aws_iam_role" "web" {
  name_prefix        = "terraform-web-"
  assume_role_policy = data.aws_iam_policy_document.irsa.json
}

resource "aws_iam_policy" "read" {
  name        = "terraform-read"
  description = "reads orders"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = {
      Effect   = "Allow"
      Action   = var.changed ? ["s3:GetObject", "s3:ListBucket"] : ["s3:GetObject"]
      Resource = [aws_s3_bucket.orders.arn, "${aws_s3_bucket.orders.arn}/*"]
    }
  })
  tags = local.team
}

resource "aws_iam_role_policy_attachment" "read" {
  role       = var.changed ? aws_iam_role.web.name : aws_iam_role.reader.name
  policy_arn = aws_iam_policy.read.arn
}

resource "aws_iam_role_policy" "list" {
  name = "list"
  role = aws_iam_role.reader.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = {
      Effect   = "Allow"
      Action   = var.changed ? "s3:GetBucketLocation" : "s3:ListBucket"
      Resource = aws_s3_bucket.orders.arn
    }
  })
}

resource "aws_iam_openid_connect_provider" "issuer" {
  url             = "https://issuer.example.com/terraform"
  client_id_list  = var.changed ? ["sts.amazonaws.com", "second"] : ["sts.amazonaws.com", "first"]
  thumbprint_list = [var.changed ? "0000000000000000000000000000000000000001" : "0000000000000000000000000000000000000000"]
  tags            = local.team
}

data "aws_iam_role" "reader" {
  name = aws_iam_role.reader.name
}

data "aws_iam_openid_connect_provider" "issuer" {
  arn = aws_iam_openid_connect_provider.issuer.arn
}

data "aws_iam_policy" "view" {
  name = "AmazonEKSWorkerNodePolicy"
}
