"""The pages of docs/tutorial are run: every command that they show, every file that they have the reader write."""
