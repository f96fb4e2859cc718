"""Download, check and unpack the files of the full profile."""
