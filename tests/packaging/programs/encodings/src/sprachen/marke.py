WORT = "Übermut"
