"""stub"""
def __getattr__(n): raise AttributeError(n)
