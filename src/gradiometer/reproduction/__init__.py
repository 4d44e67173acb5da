"""Published experiments on vanishing gradients, each with the published figure beside the measured one."""
