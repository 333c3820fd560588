"""Pictures as files hold them: opened whatever their depth, channels and orientation, and scaled by stated rules."""
