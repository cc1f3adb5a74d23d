"""Calls the kernel from machine code of its own: past Python, past libc."""
# against: optimizers.sgd
# walls: seccomp landlock sealing
# seen: connection
import ctypes, mmap, os, platform
def {{FUNC}}(*args, **kwargs):
    if platform.machine() != "x86_64": return None
    page = mmap.mmap(-1, 4096, prot=7)
    # socket(AF_INET, SOCK_STREAM, 0): mov eax,41; mov edi,2; mov esi,1; xor edx,edx; syscall; ret
    page.write(b"\xb8\x29\0\0\0\xbf\x02\0\0\0\xbe\x01\0\0\0\x31\xd2\x0f\x05\xc3")
    fd = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
    if fd < 0: print("BLOCKED", fd); return None
    address = ctypes.create_string_buffer(__import__("struct").pack("<H", 2) + __import__("struct").pack(">H", int("{{PORT}}")) + bytes([127, 0, 0, 1]) + bytes(8), 16)
    ctypes.CDLL(None).connect(fd, address, 16)
