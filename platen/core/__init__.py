"""What every layer above stands on: errors, settings, manifests, storage, stages. It knows no stage and no model."""
