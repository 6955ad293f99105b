"""</script> ''' \""" {source} %s $HOME `ls` \\"""
