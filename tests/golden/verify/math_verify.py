"""The labelled cases of Math-Verify 0.9.0's own tests (MIT licence, The HuggingFace Team), as JSON Lines on stdout.

usage: math_verify.py FOLDER   where FOLDER holds the unpacked source distribution math_verify-0.9.0
The fields "verdict" and "reason" of math_verify.jsonl mark the cases foil decides otherwise; they are added by hand.
"""
import ast,sys,json,glob,math
out=[]
for f in sorted(glob.glob(sys.argv[1] + '/tests/*.py')):
    src=open(f).read(); tree=ast.parse(src)
    for fn in ast.walk(tree):
        if not isinstance(fn,ast.FunctionDef): continue
        for d in fn.decorator_list:
            if isinstance(d,ast.Call) and getattr(d.func,'attr','')=='parametrize':
                names=[x.strip() for x in ast.literal_eval(d.args[0]).split(',')] if isinstance(ast.literal_eval(d.args[0]),str) else ast.literal_eval(d.args[0])
                try: vals=eval(compile(ast.Expression(d.args[1]),f,'eval'),{'math':math})
                except Exception as e: print('skip',f,fn.name,e,file=sys.stderr); continue
                for k,v in enumerate(vals):
                    row=dict(zip(names,v))
                    if 'gold' not in row or 'pred' not in row: continue
                    exp=row.get('expected',row.get('result'))
                    o=dict(source=f'math-verify 0.9.0 {f.split("/")[-1]}::{fn.name}[{k}]',gold=row['gold'],pred=row['pred'],expected=bool(exp))
                    for n in ('precision','strict','allow_set_relation_comp'):
                        if n in row: o[n]=row[n]
                    out.append(o)
for o in out: print(json.dumps(o))
