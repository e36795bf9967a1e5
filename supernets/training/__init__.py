"""From a recipe to the record of a training: epochs, replicas trained side by side, timing, compiled training."""
