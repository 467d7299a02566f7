"""Python: containers, text, numbers, threads, processes, sockets, signals, files."""
import asyncio, base64, collections, concurrent.futures, ctypes, dataclasses, decimal, fractions, functools, hashlib, heapq, io, itertools, json, math, mmap, os, pickle, queue, random, re, select, signal, socket, statistics, struct, subprocess, sys, tempfile, threading, time, zlib
print(sys.version_info[:2], sys.byteorder, sys.maxsize, os.uname().machine)
print(collections.Counter(x * x % 11 for x in range(3000)).most_common(4), sum(itertools.accumulate(range(200))), heapq.nsmallest(3, [(i * 7919) % 1009 for i in range(500)]))
print(re.sub(r"(\w)(\d+)", r"\2\1", "a1 b22 c333"), re.findall(r"(?<=\s)\w{3}\b", "one two three fou"), "{:>10,.2f}|{!r:^8}|{:#x}".format(12345.678, "q", 255), f"{math.pi:.12f} {1e22} {0.1 + 0.2!r} {10 ** 30}", "ß".upper(), "äöü".encode("utf-16-le").hex())
print(decimal.Decimal(2).sqrt(), fractions.Fraction(355, 113) - fractions.Fraction(22, 7), math.factorial(40), pow(3, 1000, 10 ** 9 + 7), math.fsum([0.1] * 10), statistics.stdev(range(50)), float("1e-320").hex(), round(2.675, 2), divmod(-7, 3), (-8) ** (1 / 3), int("z" * 20, 36))
for name in ("md5", "sha256", "sha3_256", "blake2b"): print(name, hashlib.new(name, b"data" * 1000).hexdigest()[:32])
print(zlib.crc32(b"x" * 9999), len(zlib.compress(bytes(range(256)) * 100)), pickle.loads(pickle.dumps({"a": [1, (2, 3)], "b": {4}})), json.loads(json.dumps({"k": [1.5, None, True, "ü"]})), struct.unpack("<hIq", struct.pack("<hIq", -2, 3, -4)), base64.b85encode(b"bytes"))
@dataclasses.dataclass(order=True)
class Point:
    x: int; y: int = 2
    def __matmul__(self, other): return self.x * other.x + self.y * other.y
print(sorted([Point(3), Point(1, 5), Point(1)]), Point(2, 3) @ Point(4, 5))
@functools.lru_cache(None)
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
def plain(n): return n if n < 2 else plain(n - 1) + plain(n - 2)
print(fib(300), plain(19)); sieve = bytearray([1]) * 50000
for i in range(2, 224):
    if sieve[i]: sieve[i * i::i] = bytes(len(range(i * i, 50000, i)))
print(sum(sieve) - 2); random.seed(42); print([random.randrange(100) for _ in range(8)], random.random(), random.gauss(0, 1)); total, lock, jobs = 0, threading.Lock(), queue.Queue()
def worker():
    global total
    while (n := jobs.get()) is not None:
        with lock: total += n
threads = [threading.Thread(target=worker) for _ in range(6)]
[t.start() for t in threads]; [jobs.put(n) for n in range(2000)]; [jobs.put(None) for _ in threads]; [t.join() for t in threads]; print("threads", total)
with concurrent.futures.ThreadPoolExecutor(4) as pool: print(list(pool.map(lambda n: sum(range(n)), range(0, 1000, 200))))
barrier, seen = threading.Barrier(3), []
def meet(n): barrier.wait(); seen.append(n)
ts = [threading.Thread(target=meet, args=(n,)) for n in range(3)]; [t.start() for t in ts]; [t.join() for t in ts]; print(sorted(seen)); event = threading.Event(); timer = threading.Timer(0.05, event.set); timer.start(); print(event.wait(10)); timer.join()
print(subprocess.run([sys.executable, "-S", "-c", "import sys; print(sys.stdin.read()[::-1]); sys.exit(3)"], input="reversed", text=True, capture_output=True)); p = subprocess.Popen(["/bin/sleep", "30"]); p.terminate(); print(p.wait()) if os.path.exists("/bin/sleep") else print(-15)
pid = os.fork()
if not pid: os._exit(5)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])); r, w = os.pipe(); os.write(w, b"pipe"); print(os.read(r, 9), select.select([r], [], [], 0)[0]); a, b = socket.socketpair(); a.sendall(b"x" * 100000 if False else b"pair"); print(b.recv(10))
server = socket.create_server(("127.0.0.1", 0))
def serve():
    c, _ = server.accept()
    with c: data = c.makefile("rb").readline(); c.sendall(data.upper())
t = threading.Thread(target=serve); t.start(); c = socket.create_connection(server.getsockname()); c.sendall(b"over tcp\n"); print(c.makefile().read().strip()); t.join()
async def tick(n): await asyncio.sleep(0.01 * n); return n * n
async def main():
    p = await asyncio.create_subprocess_exec(sys.executable, "-S", "-c", "print('child')", stdout=-1); print((await p.communicate())[0]); return await asyncio.gather(*map(tick, range(5)))
print(asyncio.run(main())); got = []; signal.signal(signal.SIGUSR1, lambda s, f: got.append(s)); os.kill(os.getpid(), signal.SIGUSR1); print(got == [signal.SIGUSR1]); signal.signal(signal.SIGALRM, lambda *_: got.append("alarm")); signal.setitimer(signal.ITIMER_REAL, 0.05); signal.pause(); print(got[-1])
with tempfile.TemporaryFile() as f:
    f.write(b"a" * 8192); f.flush(); m = mmap.mmap(f.fileno(), 0); m[4096:4100] = b"MMAP"; print(m.find(b"MMAP"), len(m)); m.close(); f.seek(4090); print(f.read(12))
libc = ctypes.CDLL(None); libc.strtod.restype = ctypes.c_double; print(libc.strlen(b"ctypes"), libc.strtod(b"2.5", None)); compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))(lambda x, y: x[0] - y[0]); numbers = (ctypes.c_int * 5)(5, 3, 9, 1, 7); libc.qsort(numbers, 5, 4, compare); print(list(numbers))
try: {}["missing"]
except KeyError as e: print(repr(e)); print(*(type(e).__name__ for e in [OverflowError(), RecursionError()]))
def deep(n): return deep(n + 1)
try: deep(0)
except RecursionError: print("too deep")
def gen():
    try: x = yield 1; print("got", x); yield from (2, 3)
    finally: print("closed")
g = gen(); print(next(g), g.send("sent")); g.close(); print([*map(lambda n: n if n % 15 else "fizzbuzz", range(14, 17))], sorted({"b": 1, "a": 2}.items()), "".join(chr(97 + i % 26) for i in range(30)), io.StringIO("x\ny").readlines(), time.gmtime(0)[:3])
