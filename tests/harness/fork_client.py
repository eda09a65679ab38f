"""The part of a program that asks a fork server to run it: `job_server` and `gcloud_server` serve such programs."""

REQUEST = """#!{python} -ISE
import _signal, _socket, marshal, posix, sys
server = _socket.socket(_socket.AF_UNIX)
server.connect("{socket}")
request = marshal.dumps([sys.argv[1:], dict(posix.environ), posix.getcwd()], 4)
streams = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1, 2))
server.sendmsg([len(request).to_bytes(4, "big")], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
server.sendall(request)
"""
"""Only modules that Python has loaded or built in: others would take as long as Python's start."""
