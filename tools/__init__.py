"""Tools for developers: the deployment package, drafts of migrations, and the scripts of the Makefile."""
