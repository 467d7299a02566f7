; Symbolic derivatives, simplified; then the same function defined by a macro.
(define (map f items)
  (if (null? items) nil (cons (f (car items)) (map f (cdr items)))))

(define (number? x) (not (or (pair? x) (null? x) (eq? x 'x))))
(define (zero? x) (and (number? x) (= x 0)))
(define (one? x) (and (number? x) (= x 1)))

(define (sum a b)
  (cond ((zero? a) b)
        ((zero? b) a)
        ((and (number? a) (number? b)) (+ a b))
        (t (list '+ a b))))

(define (product a b)
  (cond ((or (zero? a) (zero? b)) 0)
        ((one? a) b)
        ((one? b) a)
        ((and (number? a) (number? b)) (* a b))
        (t (list '* a b))))

(define (derive e)
  (cond ((number? e) 0)
        ((eq? e 'x) 1)
        ((eq? (car e) '+) (sum (derive (car (cdr e))) (derive (car (cdr (cdr e))))))
        (t (let ((a (car (cdr e))) (b (car (cdr (cdr e)))))
             (sum (product a (derive b)) (product b (derive a)))))))

(define (show e) (write e) (newline))
(map (lambda (e) (show (derive e)))
     '((+ x 3) (* x x) (* 5 (* x x)) (+ (* x (* x x)) (* 2 x))))

(define unless (macro arguments
  (list 'if (car arguments) nil (cons 'begin (cdr arguments)))))
(unless (= 1 2) (display "macros work") (newline))

(define (tree depth) (if (= depth 0) nil (cons (tree (- depth 1)) (tree (- depth 1)))))
(define (leaves tree) (if (null? tree) 1 (+ (leaves (car tree)) (leaves (cdr tree)))))
(let ((round 0) (total 0))
  (while (< round 12)
    (set! total (+ total (leaves (tree 11))))
    (set! round (+ round 1)))
  (display total " leaves") (newline))
