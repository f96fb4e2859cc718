"""What the chapters share: load data, build models, the verbs of transfer, figures."""
