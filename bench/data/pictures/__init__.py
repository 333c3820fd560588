"""Images as files hold them: opened whatever their depth, channels and orientation, scaled by stated rules."""
