data "aws_eks_cluster" "sandbox" {
  name = "sandbox"
}

data "aws_eks_cluster_auth" "sandbox" {
  name = "sandbox"
}

resource "aws_eks_pod_identity_association" "orders" {
  cluster_name    = data.aws_eks_cluster.sandbox.name
  namespace       = "shop"
  service_account = "orders"
  role_arn        = var.changed ? aws_iam_role.pods.arn : aws_iam_role.reader.arn
  tags            = local.team
}

resource "aws_iam_role" "pods" {
  name               = "terraform-pods"
  assume_role_policy = data.aws_iam_policy_document.pods.json
}

resource "aws_eks_access_entry" "reader" {
  cluster_name      = data.aws_eks_cluster.sandbox.name
  principal_arn     = aws_iam_role.reader.arn
  kubernetes_groups = var.changed ? ["writers"] : ["readers"]
  user_name         = var.changed ? "billing" : "orders"
  tags              = local.team
}

resource "aws_eks_access_policy_association" "view" {
  cluster_name  = aws_eks_access_entry.reader.cluster_name
  principal_arn = aws_eks_access_entry.reader.principal_arn
  policy_arn    = "arn:${data.aws_partition.this.partition}:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"
  access_scope {
    type       = "namespace"
    namespaces = var.changed ? ["shop", "billing"] : ["shop"]
  }
}
