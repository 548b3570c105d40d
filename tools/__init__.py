"""Tools of the repository: the deployment package, drafts of migrations, and scripts of the Makefile."""
