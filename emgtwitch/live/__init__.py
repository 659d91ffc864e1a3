"""The live page: a local web page that shows a recording while it grows, or plays one back."""
