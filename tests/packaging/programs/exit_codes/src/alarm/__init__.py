def ring(code):
    raise SystemExit(code + 40)
