"""What staff read: the notification list, the pages of the admin, and what a replay of a filter takes."""
