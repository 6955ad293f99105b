MERCURY = "hot"
