# Makes tfevents.hex: a TensorBoard event file as tensorboard 2.21.0 writes it (protobuf 6.33).  python tfevents.py > tfevents.hex
import io, struct
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.record_writer import RecordWriter
buf=io.BytesIO(); w=RecordWriter(buf)
evs=[event_pb2.Event(wall_time=1700000000.25,file_version="brain.Event:2")]
for step,tag,val in [(0,"sft/loss",3.5),(1,"sft/loss",0.125),(300,"rl/reward/über",-1e-3)]:
    evs.append(event_pb2.Event(wall_time=1700000000.25+step,step=step,summary=summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag=tag,simple_value=val)])))
for e in evs: w.write(e.SerializeToString())
print(buf.getvalue().hex())
