UNIT = "inch"
