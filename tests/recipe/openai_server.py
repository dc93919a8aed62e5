"""A fake OpenAI-compatible server for tests, with faults on demand. Standard library only.

It answers word problems with a worked line and "#### N", right for even seeds and wrong for odd ones; a prompt that asks for a JSON
object gets a judgement; /classify scores texts by their length. Faults: see Server.fault.
"""
import http.server
import json
import re
import ssl
import threading
import time


class Server:
    """`fault(number, body)` is called for every completion request; it may return None (answer), "500", "429", "cut", "html", "empty",
    "half", "choices", "down" (every later connection is dropped), "slow". `reply(body, text)` may replace the text of an answer.
    `tls`: a file with certificate and key, for https."""

    def __init__(self, model="fake-1", key=None, tls=None):
        self.model, self.key = model, key
        self.fault = lambda number, body: None
        self.reply = None
        self.requests, self.answered, self.most_at_once = [], 0, 0
        self.at_once, self.lock = 0, threading.Lock()
        self.down = False
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def send(self, status, body, headers=()):
                data = body.encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                for name, value in headers:
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def refused(self):
                if outer.down:
                    self.close_connection = True
                    self.connection.close()
                    return True
                if outer.key and self.headers.get("Authorization") != f"Bearer {outer.key}":
                    self.send(401, json.dumps({"error": {"message": "no such key"}}))
                    return True
                return False

            def do_GET(self):
                if not self.refused():
                    self.send(200, json.dumps({"data": [{"id": outer.model}]}))

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.refused():
                    return
                with outer.lock:
                    outer.requests.append((self.path, body))
                    number = len(outer.requests)
                    outer.at_once += 1
                    outer.most_at_once = max(outer.most_at_once, outer.at_once)
                try:
                    self.answer(number, body)
                finally:
                    with outer.lock:
                        outer.at_once -= 1

            def answer(self, number, body):
                fault = outer.fault(number, body)
                if fault == "500":
                    return self.send(500, json.dumps({"error": {"message": "worker died"}}))
                if fault == "429":
                    return self.send(429, "slow down", [("Retry-After", "0.1")])
                if fault == "html":
                    return self.send(200, "<html>Welcome to nginx</html>")
                if fault == "choices":
                    return self.send(200, json.dumps({"choices": []}))
                if fault in ("cut", "half", "down"):
                    if fault == "down":
                        outer.down = True
                    else:
                        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"choices\": [")
                        self.wfile.flush()
                    self.close_connection = True
                    self.connection.close()
                    return
                time.sleep(0.2 if fault == "slow" else 0.01)
                if self.path == "/classify":  # a reward model at vLLM: longer answers are better here
                    with outer.lock:
                        outer.answered += 1
                    return self.send(200, json.dumps({"data": [{"index": i, "probs": [len(text) / 100 - 1]} for i, text in enumerate(body["input"])]}))
                chat = "messages" in body
                text = "\n".join(m["content"] for m in body["messages"]) if chat else body["prompt"]
                out = outer.reply(body, text) if outer.reply else None
                if out is None:
                    out = judgement() if "JSON object" in text else solution(text, body.get("seed", 0))
                choice = {"index": 0, "finish_reason": "stop"}
                choice |= {"message": {"role": "assistant", "content": out}} if chat else {"text": out}
                with outer.lock:
                    outer.answered += 1
                self.send(200, json.dumps({"model": outer.model, "choices": [choice], "usage": {"completion_tokens": len(out.split())}}))

        class Quiet(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self.server = Quiet(("127.0.0.1", 0), Handler)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def judgement():
    return 'Here it is:\n```json\n{"relevance": 3, "coherence": 2, "facts": 3, "writing": 2}\n```'


def solution(text, seed):
    numbers = [int(n) for n in re.findall(r"\d+", text)] or [1]
    a, b = numbers[0], numbers[-1]
    right = a + b + (0 if seed % 2 == 0 else 1 + seed % 5)
    return f"We add {a} and {b}: {a} + {b} = {right}. #### {right}"
