# A cluster that Terraform makes, with what runs in it.

locals {
  subnets = ["subnet-0a1b2c3d4e5f60718", "subnet-0a1b2c3d4e5f60719"]
}

data "aws_iam_policy_document" "services" {
  statement {
    actions = ["sts:AssumeRole", "sts:TagSession"]
    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com", "eks.amazonaws.com", "eks-fargate-pods.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "services" {
  name               = "terraform-services"
  assume_role_policy = data.aws_iam_policy_document.services.json
}

resource "aws_iam_role_policy_attachment" "cluster" {
  role       = aws_iam_role.services.name
  policy_arn = "arn:${data.aws_partition.this.partition}:iam::aws:policy/AmazonEKSClusterPolicy"
}

resource "aws_eks_cluster" "made" {
  name                      = "terraform"
  role_arn                  = aws_iam_role.services.arn
  enabled_cluster_log_types = var.changed ? ["api", "audit"] : ["api"]
  tags                      = local.team
  access_config {
    authentication_mode                         = "API"
    bootstrap_cluster_creator_admin_permissions = true
  }
  kubernetes_network_config {
    service_ipv4_cidr = "172.20.0.0/16"
  }
  vpc_config {
    subnet_ids             = local.subnets
    endpoint_public_access = true
  }
}

resource "aws_iam_openid_connect_provider" "made" {
  url            = aws_eks_cluster.made.identity[0].oidc[0].issuer
  client_id_list = ["sts.amazonaws.com"]
}

resource "aws_eks_node_group" "made" {
  cluster_name    = aws_eks_cluster.made.name
  node_group_name = "nodes"
  node_role_arn   = aws_iam_role.services.arn
  subnet_ids      = local.subnets
  labels          = { round = var.changed ? "two" : "one" }
  tags            = local.team
  scaling_config {
    min_size     = 1
    desired_size = 1
    max_size     = var.changed ? 3 : 2
  }
}

resource "aws_eks_addon" "agent" {
  cluster_name                = aws_eks_cluster.made.name
  addon_name                  = "eks-pod-identity-agent"
  resolve_conflicts_on_update = "OVERWRITE"
  tags                        = local.team
}

resource "aws_eks_fargate_profile" "made" {
  cluster_name           = aws_eks_cluster.made.name
  fargate_profile_name   = "serverless"
  pod_execution_role_arn = aws_iam_role.services.arn
  subnet_ids             = local.subnets
  selector {
    namespace = "serverless"
  }
}

resource "aws_iam_instance_profile" "nodes" {
  name = "terraform-nodes"
  role = aws_iam_role.services.name
  tags = local.team
}

data "aws_eks_addon_version" "cni" {
  addon_name         = "vpc-cni"
  kubernetes_version = aws_eks_cluster.made.version
  most_recent        = true
}
