"""What a plan has to do with a training: settings that it gives, and hardware that they are for."""
