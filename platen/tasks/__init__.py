"""What models are trained to do: batches and losses, one package per task, used by train and evaluate alike."""
