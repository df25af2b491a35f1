# terraform plan imports all of it and changes nothing; the provider is yours to configure.
# Wants: AWS provider 6.57.1 or newer, for policy
# Region: eu-central-1
# Left out: role arn:aws:iam::444455556666:role/target: it is not of account 111122223333

import {
  to = aws_iam_openid_connect_provider.oidc-eks-eu-central-1-amazonaws-com-id-SHOP_4eec1b22
  id = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-central-1.amazonaws.com/id/SHOP"
}

resource "aws_iam_openid_connect_provider" "oidc-eks-eu-central-1-amazonaws-com-id-SHOP_4eec1b22" {
  url = "https://oidc.eks.eu-central-1.amazonaws.com/id/SHOP"
  client_id_list = [
    "another",
    "sts.amazonaws.com",
  ]
  thumbprint_list = [
    "9e99a48a9960b14926bb7f3b02e22da2b0ab7280",
  ]
  tags = {
    made = "by hand"
  }
}

import {
  to = aws_iam_policy.Boundary
  id = "arn:aws:iam::111122223333:policy/Boundary"
}

resource "aws_iam_policy" "Boundary" {
  name        = "Boundary"
  description = "of teams"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = "s3:*"
        Resource = "*"
      },
    ]
  })
  tags = {
    team = "shop"
  }
}

import {
  to = aws_iam_role.orders
  id = "orders"
}

resource "aws_iam_role" "orders" {
  name                 = "orders"
  path                 = "/teams/"
  description          = "reads orders"
  max_session_duration = 7200
  permissions_boundary = aws_iam_policy.Boundary.arn
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Id      = "theirs"
    Statement = [
      {
        Effect = "Allow"
        Principal = {
          Service = "pods.eks.amazonaws.com"
        }
        Action = [
          "sts:AssumeRole",
          "sts:TagSession",
        ]
      },
    ]
  })
  tags = {
    team = "shop"
  }
}

import {
  to = aws_iam_role_policy_attachment.orders_AmazonS3ReadOnlyAccess
  id = "orders/arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
}

resource "aws_iam_role_policy_attachment" "orders_AmazonS3ReadOnlyAccess" {
  role       = aws_iam_role.orders.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
}

import {
  to = aws_iam_role_policy.orders_write
  id = "orders:write"
}

resource "aws_iam_role_policy" "orders_write" {
  name = "write"
  role = aws_iam_role.orders.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = "s3:PutObject"
        Resource = "arn:aws:s3:::orders/$${aws:username}"
      },
    ]
  })
}

import {
  to = aws_iam_role.driver
  id = "driver"
}

resource "aws_iam_role" "driver" {
  name = "driver"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = []
  })
}

import {
  to = aws_eks_pod_identity_association.shop_shop_orders
  id = "shop,a-00000000000000001"
}

resource "aws_eks_pod_identity_association" "shop_shop_orders" {
  cluster_name         = "shop"
  namespace            = "shop"
  service_account      = "orders"
  role_arn             = aws_iam_role.orders.arn
  target_role_arn      = "arn:aws:iam::444455556666:role/target"
  disable_session_tags = true
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = "s3:*"
        Resource = "*"
      },
    ]
  })
  tags = {
    team = "shop"
  }
}

import {
  to = aws_eks_access_entry.shop_viewer_df16e202
  id = "shop:arn:aws:iam::111122223333:role/viewer"
}

resource "aws_eks_access_entry" "shop_viewer_df16e202" {
  cluster_name  = "shop"
  principal_arn = "arn:aws:iam::111122223333:role/viewer"
  kubernetes_groups = [
    "ops",
    "sre",
  ]
  user_name = "viewer"
}

import {
  to = aws_eks_access_policy_association.shop_viewer_AmazonEKSViewPolicy_45baaa62
  id = "shop#arn:aws:iam::111122223333:role/viewer#arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"
}

resource "aws_eks_access_policy_association" "shop_viewer_AmazonEKSViewPolicy_45baaa62" {
  cluster_name  = "shop"
  principal_arn = aws_eks_access_entry.shop_viewer_df16e202.principal_arn
  policy_arn    = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"

  access_scope {
    type = "namespace"
    namespaces = [
      "bank-*",
      "shop",
    ]
  }
}

import {
  to = aws_eks_access_entry.shop_nodes_9b704198
  id = "shop:arn:aws:iam::111122223333:role/nodes"
}

resource "aws_eks_access_entry" "shop_nodes_9b704198" {
  cluster_name  = "shop"
  principal_arn = "arn:aws:iam::111122223333:role/nodes"
  type          = "EC2_LINUX"
}

import {
  to = aws_eks_addon.shop_aws-ebs-csi-driver
  id = "shop:aws-ebs-csi-driver"
}

resource "aws_eks_addon" "shop_aws-ebs-csi-driver" {
  cluster_name  = "shop"
  addon_name    = "aws-ebs-csi-driver"
  addon_version = "v1.50.1-eksbuild.1"

  pod_identity_association {
    service_account = "ebs-csi-controller-sa"
    role_arn        = aws_iam_role.driver.arn
  }
}
