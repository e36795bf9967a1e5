"""The PyTorch networks of the search spaces."""

from supernets.candidate_network import CandidateNetwork, NetworkConfig
from supernets.counting import Cost, cost_by_counting, cost_by_formula
from supernets.images.tasks import ImageTask, image_task
from supernets.networks import candidate_config
from supernets.settings import NetworkScale, TrainConfig
from supernets.size_supernet import SizeSupernet, SizeSupernetConfig
from supernets.topology_supernet import TopologySupernet, TopologySupernetConfig
from supernets.training.timing import latency
from supernets.training.train import TrainingRecord, train_candidate, train_candidates

__all__ = [
    "CandidateNetwork",
    "Cost",
    "ImageTask",
    "NetworkConfig",
    "NetworkScale",
    "SizeSupernet",
    "SizeSupernetConfig",
    "TopologySupernet",
    "TopologySupernetConfig",
    "TrainConfig",
    "TrainingRecord",
    "candidate_config",
    "cost_by_counting",
    "cost_by_formula",
    "image_task",
    "latency",
    "train_candidate",
    "train_candidates",
]
