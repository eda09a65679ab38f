"""The file store of a conversation: files with versions, whose contents are blobs named by their hash.

`contents` stores bytes, `versions` says which path has which content. Write in this order: `Contents.put`, which is
slow, then `versions.add` in a short transaction. What was put and never added is deleted by the tick.
"""
