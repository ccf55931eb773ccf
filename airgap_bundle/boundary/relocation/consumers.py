"""Who is to find the images: the words behind `--for`. Alone, so that the help of a command loads nothing else."""

from enum import StrEnum


class Consumer(StrEnum):
    """Who is to find the images."""

    CONTAINERD = "containerd"
    CRIO = "crio"
    OPENSHIFT = "openshift"
    K3S = "k3s"
    RKE2 = "rke2"
    HELM = "helm"
    KUSTOMIZE = "kustomize"
    COMPOSE = "compose"
