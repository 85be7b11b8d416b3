"""What the gateway answers: objects and errors in the Assistants API's form."""
