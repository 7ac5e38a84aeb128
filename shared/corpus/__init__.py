"""Pictures of the user: what lies in a folder, the words beside each, and each opened safely."""
