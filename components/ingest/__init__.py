"""Pictures and captions from folders, tables and the web into one data set, bytes as they came."""
