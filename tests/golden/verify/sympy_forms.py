"""Random expressions in two of the forms SymPy 1.14 gives them (latex, str, expanded, factored, ...), and near misses: JSON Lines on stdout.

usage: sympy_forms.py SEED COUNT
"""
import random,json,sympy as sp,sys
random.seed(int(sys.argv[1])); x,y,n,a,b,t=sp.symbols('x y n a b t')
def num():
    r=random.random()
    if r<.4: return sp.Integer(random.randint(-12,30))
    if r<.7: return sp.Rational(random.randint(-20,20),random.randint(1,12))
    if r<.8: return sp.sqrt(random.randint(2,30))
    if r<.85: return sp.pi
    if r<.9: return sp.root(random.randint(2,20),3)
    return sp.Integer(random.randint(1,9))
def expr(d,vars):
    if d==0 or random.random()<.15: return random.choice(vars) if vars and random.random()<.6 else num()
    k=random.random()
    A=expr(d-1,vars)
    if k<.3: return A+expr(d-1,vars)
    if k<.55: return A*expr(d-1,vars)
    if k<.65:
        B=expr(d-1,vars); return A/B if B!=0 else A
    if k<.75: return A**random.choice([2,3,-1]) if A!=0 else A
    if k<.83 and vars: return random.choice([sp.sin,sp.cos,sp.exp])(A)
    if k<.9 and not vars and A.is_positive: return sp.sqrt(A)
    if k<.95 and A.is_positive and not vars: return sp.log(A)
    return A-expr(d-1,vars)
def forms(e):
    out=[sp.latex(e),str(e)]
    for f in (sp.expand,sp.factor,sp.together,lambda z:sp.simplify(z) if sp.count_ops(z)<12 else z, sp.cancel, lambda z: sp.expand(z,trig=True)):
        try:
            z=f(e); out+= [sp.latex(z),str(z)]
        except Exception: pass
    return out
N=int(sys.argv[2]); c=0
import signal
class TO(Exception): pass
def h(*_): raise TO
signal.signal(signal.SIGALRM,h)
while c<N:
    vars=random.choice([[],[],[x],[x,y],[a,b],[n],[t]])
    try:
        signal.alarm(2)
        e=expr(random.randint(1,3),vars)
        if e.has(sp.zoo,sp.nan,sp.oo) or sp.count_ops(e)>25: continue
        F=forms(e)
        g=F[0]; p=random.choice(F[1:])
        if 'Integral' in p: continue
        print(json.dumps({'gold':g,'pred':'$'+p+'$' if random.random()<.5 and '\\' in p else '\\boxed{'+p+'}','expected':True}))
        # near miss
        m=random.choice([e+sp.Rational(1,10**random.randint(1,9)),-e,e*2,e+1,e.subs(x,x+1) if vars==[x] else e-1, e.subs({sp.Integer(2):sp.Integer(3)})])
        d=sp.N((m-e).subs({v:sp.Rational(7,5)+i for i,v in enumerate(vars)}),30)
        if d.is_number and abs(d)>1e-15:
            print(json.dumps({'gold':g,'pred':'\\boxed{'+random.choice([sp.latex(m),str(m)])+'}','expected':False}))
        c+=1
    except TO: pass
    except (ZeroDivisionError,RecursionError,TypeError,ValueError,AttributeError): pass
    finally: signal.alarm(0)
