"""The commands of the command line, one file each; `multimodel.cli` imports the one that is called."""
