"""What is measured, and how to run it again: each file is a program, each result names commit, command and machine."""
